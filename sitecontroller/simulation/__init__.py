"""A virtual site that speaks the real protocols: stations, cars, meter, and the time they live in.

Nothing here knows the controller; what it says over OCPP and Modbus is all the two share.
"""
