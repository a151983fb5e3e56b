"""Where do commands run: in containers, or on emulated Raspberry Pis?"""
