"""What do all steps share: messages, failures, the cache, keys, processes?"""
