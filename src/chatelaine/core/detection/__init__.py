"""Verbs of the detection room: events become sightings, sightings findings, findings alerts."""
