"""Archives as the server makes and takes them: tar streams, holes, compression, definitions inside of them.

Whatever passes is looked at in flat memory. Nothing here knows a kind, or keeps anything on the server.
"""
