"""Licet: license a social platform's data for AI training so that permission is real."""
