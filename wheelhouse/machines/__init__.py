"""Where do commands run: in containers, or in sandboxes as on a board?"""
