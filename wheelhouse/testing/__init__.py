"""Which tests run, and which results still count?"""
