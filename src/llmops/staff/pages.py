"""Every door of the staff console."""

from llmops.staff import contract, customer, logins, provisioning, queue, search, sign_in

doors = [
    *sign_in.doors,
    *queue.doors,
    *search.doors,
    *customer.doors,
    *contract.doors,
    *provisioning.doors,
    *logins.doors,
]
