"""From the server and the repository to what a plan is made from, through ports, in few requests.

Nothing is changed here, and nothing is concluded: that is planning's.
"""
