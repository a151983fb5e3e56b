"""What can be built, and for which processors, systems and boards?"""
