"""How fast, how large?"""
