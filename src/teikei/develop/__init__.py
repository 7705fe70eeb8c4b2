"""Who develops which module and vehicle, by when, with whose engineers?"""
