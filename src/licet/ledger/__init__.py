"""Money: deliveries metered, priced and closed into a double-entry journal, invoices and members' earnings."""
