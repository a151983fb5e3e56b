"""Where does every file come from, and does it have the pinned content?"""
