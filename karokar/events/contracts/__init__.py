"""What an event promises, and how it is stored and read: encoding and decoding, upcasters, the JSON Schema of each
event, the lock that keeps what was published from changing, the catalog page, and who may see what. The engine, the API
and the console use it; contexts need it only to read events of others. It knows no database.
"""
