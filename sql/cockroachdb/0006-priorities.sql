-- Nothing to do: the column and its index are made with their table (0001-tables.sql), where they cost nothing. In
-- PostgreSQL the migration of this number adds them.
select 1;
