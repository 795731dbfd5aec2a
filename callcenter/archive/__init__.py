"""Archive: packages of tickets and weeks that outlive the product (BagIt), made, checked and read back."""
