"""Which models are tried?"""
