-- The roles of Milepost, for a login that may not create roles itself. Run once on the server by somebody who may:
--
--   psql -v login=milepost -f deploy/postgres/roles.sql
--
-- `login` is the user in DATABASE_URL; it must exist, and must own the database or be allowed to create a schema in it. Running it again changes nothing.

\set ON_ERROR_STOP on
\if :{?login}
\else
  \echo 'name the login: psql -v login=milepost -f roles.sql'
  \quit
\endif

select format('create role %I nologin', name)
from unnest(array['milepost_worker', 'milepost_service', 'milepost_reader']) as name
where not exists (select from pg_roles where rolname = name) \gexec

grant milepost_worker, milepost_service, milepost_reader to :"login";

-- Only for the log: whose statements hold locks that Milepost waits for. Without it, Milepost names their process ids and logins alone.
\set ON_ERROR_STOP off
grant pg_read_all_stats to :"login";
