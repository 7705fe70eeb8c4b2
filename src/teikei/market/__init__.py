"""What happens to prices, sales, profit, rivals and the EV share?"""
