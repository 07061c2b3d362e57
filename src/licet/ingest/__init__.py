"""Floor 3: adapters that turn platform exports and streams into members, records, or a reason to set aside."""
