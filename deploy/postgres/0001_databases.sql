-- One database per service with two roles: the owner migrates, the other runs the service and may change
-- neither the schema nor a journal. For docker-compose; the passwords are as public as this file.

create role booking_owner login password 'booking_owner';
create role booking login password 'booking';
create database booking owner booking_owner;

create role supplier_sync_owner login password 'supplier_sync_owner';
create role supplier_sync login password 'supplier_sync';
create database supplier_sync owner supplier_sync_owner;

create role supplier_callback_owner login password 'supplier_callback_owner';
create role supplier_callback login password 'supplier_callback';
create database supplier_callback owner supplier_callback_owner;

create role payment_verification_owner login password 'payment_verification_owner';
create role payment_verification login password 'payment_verification';
create database payment_verification owner payment_verification_owner;

create role rewards_owner login password 'rewards_owner';
create role rewards login password 'rewards';
create database rewards owner rewards_owner;

create role support_console_owner login password 'support_console_owner';
create role support_console login password 'support_console';
create database support_console owner support_console_owner;
