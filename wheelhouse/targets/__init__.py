"""What can be built, and for which systems and boards?"""
