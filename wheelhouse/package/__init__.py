"""How do compiled files become audited wheels?"""
