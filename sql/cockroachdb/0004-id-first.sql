-- Nothing to do: here the order of a key's columns decides where ranges are split, and so it stays. In PostgreSQL the
-- migration of this number puts the ids first in the keys.
select 1;
