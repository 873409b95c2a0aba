"""The version of this distribution, where its build and its `User-Agent` read it."""

VERSION = "0.1.0"
