"""Names the business rules that electronic invoices break: one JSON text a line in, one JSON list a line out.

A process of its own, for Saxon's virtual machine ends the one it is in when many threads come and go.
"""

import importlib.resources
import json
import sys

from lxml import etree
from saxonche import PySaxonProcessor

SVRL = "{http://purl.oclc.org/dsdl/svrl}"
FOLDER = importlib.resources.files("facturx") / "xsd_and_schematron" / "facturx-en16931"


def main() -> None:
    """Answer every line until there are no more."""
    with PySaxonProcessor(license=False) as saxon:
        sheet = saxon.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(FOLDER / "FACTUR-X_EN16931.xslt"))
        for line in sys.stdin:
            told = sheet.transform_to_string(xdm_node=saxon.parse_xml(xml_text=json.loads(line)))
            tree = etree.fromstring(told.encode())
            if len(tree.findall(f"{SVRL}fired-rule")) < 20:
                raise LookupError("hardly a rule looked at the document")
            found = [" ".join("".join(each.itertext()).split()) for each in tree.findall(f"{SVRL}failed-assert")]
            print(json.dumps(found), flush=True)  # noqa: T201 # the test reads it


if __name__ == "__main__":
    main()
