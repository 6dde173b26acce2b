"""Taps: replies read as they pass, in bounded memory, whatever way their bytes are cut."""
