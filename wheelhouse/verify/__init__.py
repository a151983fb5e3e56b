"""Does a wheel work on the devices that it is for?"""
