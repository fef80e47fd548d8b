"""Runs an application in one process on a socket it inherits, with the same options for every target."""

import socket
import sys

import uvicorn
from fastapi import FastAPI


def serve(app: FastAPI) -> None:
    """Serve until the process is stopped; the socket's number is the program's only argument."""
    config = uvicorn.Config(
        app, loop="uvloop", http="httptools", log_level="warning", access_log=False, timeout_graceful_shutdown=5
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
