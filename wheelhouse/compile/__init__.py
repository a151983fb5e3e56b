"""How do source trees become libraries?"""
