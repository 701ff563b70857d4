"""`python -m tools.budget`: will a track end in time?"""
