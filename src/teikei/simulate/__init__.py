"""Does this vehicle with these modules do its job (range, acceleration, grade, charging), and at what energy use?"""
