"""Does a wheel work on the Raspberry Pis that it is for?"""
