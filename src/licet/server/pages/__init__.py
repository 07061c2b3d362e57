"""What people see: pages for members, recipients and operators, rendered here, whole without any script."""
