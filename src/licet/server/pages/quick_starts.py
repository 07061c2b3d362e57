"""Quick starts, as the page shows them and as the tests run them: `acme.share` stands for the profile's file."""

from dataclasses import dataclass
from typing import Final

PROFILE: Final = "acme.share"
LICENSE: Final = "LICENSE"
"""Stands for the license's id."""
TABLE: Final = "TABLE"
_COPY: Final = f"copy/{LICENSE}/licensed/{TABLE}"
SYNC: Final = f"licet sync {PROFILE} copy"
"""Keeps a local copy in step, recalls included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickStart:
    """Lines that read a licensed table by one library; with `from_copy` after `licet sync`."""

    name: str
    install: str
    code: str
    from_copy: bool

    def of(self, license_id: str, table: str) -> str:
        """Give the lines for a license's table."""
        return self.code.replace(LICENSE, license_id).replace(TABLE, table)


QUICK_STARTS: Final = (
    QuickStart(
        name="pandas",
        install="pip install delta-sharing",
        code=f"""import delta_sharing

table = "{PROFILE}#{LICENSE}.licensed.{TABLE}"
rows = delta_sharing.load_as_pandas(table)
print(rows.head())""",
        from_copy=False,
    ),
    QuickStart(
        name="Spark",
        install="pip install pyspark",
        code=f"""from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
rows = spark.read.parquet("{_COPY}")
rows.show()""",
        from_copy=True,
    ),
    QuickStart(
        name="datasets",
        install="pip install datasets",
        code=f"""from datasets import load_dataset

files = "{_COPY}/*.parquet"
rows = load_dataset("parquet", data_files=files, split="train")
print(rows[0])""",
        from_copy=True,
    ),
    QuickStart(
        name="PyTorch",
        install="pip install datasets torch",
        code=f"""from datasets import load_dataset
from torch.utils.data import DataLoader

files = "{_COPY}/*.parquet"
rows = load_dataset("parquet", data_files=files, split="train")
ids = rows.select_columns(["post_id"])
for batch in DataLoader(ids.with_format("torch"), batch_size=32):
    print(batch)""",
        from_copy=True,
    ),
)
