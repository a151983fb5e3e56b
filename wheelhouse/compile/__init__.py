"""How are source trees compiled to static libraries and extension modules?"""
