"""Who gains what, is it stable, and what do law and confidentiality let us say?"""
