"""From where does everything come, and is it what was pinned?"""
