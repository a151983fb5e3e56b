"""Which tests run, where, and whose results still count?"""
