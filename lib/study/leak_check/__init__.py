"""Tests for look-ahead: does anything of today change when the future changes?"""
