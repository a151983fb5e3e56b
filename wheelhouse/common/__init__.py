"""What does every step stand on: messages, failures, the store, keys, processes?"""
