"""How do wheels get to their users?"""
