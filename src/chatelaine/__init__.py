"""Chatelaine guards generative-AI services against people who steal their keys."""

__version__ = "0.1.0"
