-- PostgreSQL's `events` gets eight hash partitions instead of sixty-four; here its ranges are split by the database itself.
select 1;
