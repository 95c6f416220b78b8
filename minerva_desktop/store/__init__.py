"""Chats on disk: one SQLite file."""
