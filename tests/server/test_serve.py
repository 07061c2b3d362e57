"""Serving: what keeps it from beginning is said with the remedy."""

import socket

import pytest

from licet.model.errors import Unavailable
from licet.server.desk import ServerOptions
from licet.server.serve import serve
from licet.store.house import House


def test_an_address_that_is_taken_is_said_to_be_so(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"nothing can listen on 127.0.0.1:{port}"):
            serve(house, "127.0.0.1", port, ServerOptions(secret=b"s" * 32))
