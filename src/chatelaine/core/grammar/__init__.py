"""Grammars of bodies: how a request, a reply and a stream event are read."""
