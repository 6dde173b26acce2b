"""Shelf: forms a case is given to others in, one folder a form."""
