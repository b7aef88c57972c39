// Invariant: a statement of another program leaves the counters, sequence numbers and removals of a space as a write of the
// library would, and what the core made of a payload goes with the payload; a row that cannot be one of ours never makes
// that statement fail, but has no fm_id (memories) or fm_space (links).
//
// Triggers fire once a statement, on tables of what it changed, so one statement is one change to a space's row, however
// many memories it writes. They fire after it: what ON CONFLICT turned into an update, or into nothing, is seen as that. The
// row of the space is locked until that program's commit, as it is for the library's writes, several in the same order.
// The library's transactions say so by the setting fractal.writer, until their end: no pooler carries it on to others.
//
// A plan that was kept since the tables were small takes time by the square of the rows: many rows get one of their own
// (plan_cache_mode, which a trigger's function puts back).
//
// The triggers' functions run with the rights of the owner of the tables, so a program needs no right on ours.
//
// fm_key(coordinate)                Coordinate::key().
// fm_memory_problem(row), fm_link_problem(row)   why it cannot be one of ours; null: it can. The limits are the core's.
// fm_lock_space(tenant, name)       the space's row, locked, made if need be.
// fm_take_memories(written), fm_take_links(written)   rows that were written; how many of them are ours now.
// fm_forget_memories(gone), fm_forget_links(gone)   what went, with what hangs on it.
#include "backends/postgres/triggers.h"

#include "src/error.h"

namespace fractal::postgres_backend {
namespace {

constexpr const char* row_functions = R"sql(
CREATE OR REPLACE FUNCTION fm_key(coordinate double precision[]) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $f$
DECLARE
  number double precision;
  bits bigint;
  key bytea := '';
BEGIN
  FOREACH number IN ARRAY coordinate LOOP
    bits := ('x' || encode(float8send(number + 0), 'hex'))::bit(64)::bigint;
    key := key || int8send(CASE WHEN bits < 0 THEN ~bits ELSE bits # '-9223372036854775808'::bigint END);
  END LOOP;
  RETURN key;
END $f$;

-- Digits of the shortest decimal that reads back as the number, 1e16 at the least. Where that lies in the middle between two
-- doubles, as 1e23 does, the server itself writes a longer one.
CREATE OR REPLACE FUNCTION fm_digits(number double precision) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$
  SELECT min(n) FROM (SELECT number::text::numeric) AS t(written), LATERAL (SELECT length(written::text)) AS l(places),
    generate_series(1, 17) AS n, LATERAL (SELECT trunc(written, n - places)) AS c(below)
  WHERE below::double precision = number OR (below + ('1e' || places - n)::numeric)::double precision = number
$f$;

-- Characters of the shortest text that reads back as the same number, with a point or an exponent in it.
CREATE OR REPLACE FUNCTION fm_number_length(number double precision) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$
  SELECT CASE WHEN abs(number) >= 1e15 AND abs(number) < 1e16 THEN CASE WHEN number < 0 THEN 19 ELSE 18 END
              -- Above, no number with so few digits lies between two doubles.
              WHEN abs(number) >= 1e16 AND abs(number) < 1e40 THEN
                (SELECT 4 + d + CASE WHEN d > 1 THEN 1 ELSE 0 END + CASE WHEN number < 0 THEN 1 ELSE 0 END
                 FROM fm_digits(abs(number)) AS d)
              WHEN (number + 0)::text ~ '[.e]' THEN length((number + 0)::text)
              ELSE length((number + 0)::text) + 2 END
$f$;

CREATE OR REPLACE FUNCTION fm_micros(at timestamptz) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS $f$
  SELECT extract(epoch FROM date_trunc('second', at))::bigint * 1000000 +
         extract(microseconds FROM at)::bigint % 1000000
$f$;

CREATE OR REPLACE FUNCTION fm_coordinate_problem(what text, coordinate double precision[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET extra_float_digits = 1 AS $f$
DECLARE
  number double precision;
  characters integer := -1;
BEGIN
  IF array_ndims(coordinate) IS DISTINCT FROM 1 THEN RETURN what || ' is empty, or no list'; END IF;
  FOREACH number IN ARRAY coordinate LOOP
    IF (number > '-Infinity' AND number < 'Infinity') IS NOT TRUE THEN
      RETURN what || ' has a component that is no finite number';
    END IF;
    characters := characters + fm_number_length(number) + 1;
  END LOOP;
  IF characters > 512 THEN RETURN what || ' has more than 512 characters'; END IF;
  RETURN NULL;
END $f$;

CREATE OR REPLACE FUNCTION fm_space_problem(tenant text, name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$
  SELECT CASE WHEN (octet_length(tenant) BETWEEN 1 AND 255) IS NOT TRUE THEN 'its tenant has not 1 to 255 bytes'
              WHEN (octet_length(name) BETWEEN 1 AND 255) IS NOT TRUE THEN 'its namespace has not 1 to 255 bytes' END
$f$;

CREATE OR REPLACE FUNCTION fm_time_problem(what text, at timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$
  SELECT CASE WHEN (at >= '1970-01-01 00:00:00+00' AND at < '10000-01-01 00:00:00+00') IS NOT TRUE
              THEN what || ' lies outside the years 1970 to 9999' END
$f$;

CREATE OR REPLACE FUNCTION fm_json_tree_problem(what text, value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$
  WITH RECURSIVE tree(value, depth) AS (
    SELECT value, 1
    UNION ALL
    SELECT child.value, tree.depth + 1 FROM tree CROSS JOIN LATERAL (
      SELECT o.value FROM jsonb_each(CASE jsonb_typeof(tree.value) WHEN 'object' THEN tree.value ELSE '{}' END) AS o
      UNION ALL
      SELECT a.value FROM jsonb_array_elements(CASE jsonb_typeof(tree.value) WHEN 'array' THEN tree.value ELSE '[]' END)
        AS a(value)) AS child
    WHERE tree.depth <= 512)
  SELECT CASE
    WHEN bool_or(depth > 512 AND jsonb_typeof(tree.value) IN ('object', 'array'))
      THEN what || ' is nested deeper than 512 levels'
    WHEN bool_or(CASE jsonb_typeof(tree.value) WHEN 'number'
                 THEN abs(tree.value::numeric) >= 1.797693134862315807e308::numeric ELSE false END)
      THEN what || ' has a number beyond a double' END FROM tree
$f$;

-- Only a long text can be nested too deep or have too long a number: others are not looked into.
CREATE OR REPLACE FUNCTION fm_json_problem(what text, value jsonb, most_bytes integer) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $f$
DECLARE written text := value::text;
BEGIN
  IF jsonb_typeof(value) IS DISTINCT FROM 'object' THEN RETURN what || ' is no JSON object'; END IF;
  IF octet_length(written) <= 308 THEN RETURN NULL; END IF;
  IF octet_length(written) > most_bytes THEN RETURN format('%s has more than %s bytes', what, most_bytes); END IF;
  IF written ~ '[0-9]{155}[0-9]{154}' OR length(written) - length(translate(written, '{[', '')) > 512 THEN
    RETURN fm_json_tree_problem(what, value);
  END IF;
  RETURN NULL;
END $f$;

CREATE OR REPLACE FUNCTION fm_memory_problem(m sfm_memories) RETURNS text LANGUAGE sql STABLE AS $f$
  SELECT COALESCE(
    fm_space_problem(m.tenant, m.namespace),
    fm_coordinate_problem('its coordinate', m.coordinate),
    CASE WHEN (m.memory_type IN ('episodic', 'semantic')) IS NOT TRUE THEN 'its type is neither episodic nor semantic'
         WHEN (m.importance > '-Infinity' AND m.importance < 'Infinity') IS NOT TRUE
           THEN 'its importance is no finite number' END,
    fm_json_problem('its payload', m.payload, 16777216),
    fm_json_problem('its metadata', m.metadata, 1048576),
    fm_time_problem('created_at', m.created_at), fm_time_problem('updated_at', m.updated_at))
$f$;

CREATE OR REPLACE FUNCTION fm_link_problem(l sfm_graph_links) RETURNS text LANGUAGE sql STABLE AS $f$
  SELECT COALESCE(
    fm_space_problem(l.tenant, l.namespace),
    fm_coordinate_problem('from_coordinate', l.from_coordinate),
    fm_coordinate_problem('to_coordinate', l.to_coordinate),
    CASE WHEN (octet_length(l.link_type) BETWEEN 1 AND 100) IS NOT TRUE THEN 'its type has not 1 to 100 bytes'
         WHEN (l.strength > '-Infinity' AND l.strength < 'Infinity') IS NOT TRUE
           THEN 'its strength is no finite number' END,
    fm_json_problem('its metadata', l.metadata, 1048576),
    fm_time_problem('created_at', l.created_at))
$f$;
)sql";

constexpr const char* space_functions = R"sql(
CREATE OR REPLACE FUNCTION fm_lock_space(of_tenant text, of_name text) RETURNS sfm_namespaces
LANGUAGE plpgsql AS $f$
DECLARE s sfm_namespaces;
BEGIN
  LOOP
    SELECT * INTO s FROM sfm_namespaces
      WHERE fm_tenant = convert_to(of_tenant, 'UTF8') AND fm_name = convert_to(of_name, 'UTF8') FOR UPDATE;
    IF FOUND THEN RETURN s; END IF;
    INSERT INTO sfm_namespaces(fm_number, fm_tenant, fm_name, tenant, name)
      VALUES (nextval('sfm_space_numbers'), convert_to(of_tenant, 'UTF8'), convert_to(of_name, 'UTF8'), of_tenant,
              of_name)
      ON CONFLICT (fm_tenant, fm_name) DO NOTHING;
  END LOOP;
END $f$;

-- The counters of a locked space move on. Without a vector it has no dimension and no embedder.
CREATE OR REPLACE FUNCTION fm_move_space(space bigint, changes bigint, new_ids bigint, memories bigint, semantic bigint,
  links bigint, vectors bigint, words0 bigint, words1 bigint, words2 bigint, words3 bigint) RETURNS void
LANGUAGE plpgsql AS $f$
BEGIN
  IF changes = 0 THEN RETURN; END IF;
  UPDATE sfm_namespaces AS n SET fm_sequence = fm_sequence + changes, fm_last_id = fm_last_id + new_ids,
    fm_memories = fm_memories + memories, fm_semantic = fm_semantic + semantic, fm_links = fm_links + links,
    fm_vectors = fm_vectors + vectors, fm_words0 = fm_words0 + words0, fm_words1 = fm_words1 + words1,
    fm_words2 = fm_words2 + words2, fm_words3 = fm_words3 + words3,
    fm_dimension = CASE WHEN fm_vectors + vectors = 0 THEN 0 ELSE fm_dimension END,
    fm_embedder = CASE WHEN fm_vectors + vectors = 0 THEN '' ELSE fm_embedder END
    WHERE n.fm_number = space;
  PERFORM pg_notify('fractal_changes', space::text);
END $f$;

CREATE OR REPLACE FUNCTION fm_forget_links(gone fm_gone_link[]) RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
  s sfm_namespaces;
  went bigint;
BEGIN
  FOR s IN SELECT n.* FROM sfm_namespaces AS n
           WHERE n.fm_number IN (SELECT g.space FROM unnest(gone) AS g) ORDER BY n.fm_tenant, n.fm_name FOR UPDATE LOOP
    INSERT INTO sfm_removals(space, sequence, kind, key, to_key, type, id)
      SELECT g.space, s.fm_sequence + row_number() OVER (ORDER BY g.from_key, g.type, g.to_key), 3, g.from_key,
             g.to_key, g.type, 0 FROM unnest(gone) AS g WHERE g.space = s.fm_number;
    GET DIAGNOSTICS went = ROW_COUNT;
    PERFORM fm_move_space(s.fm_number, went, 0, 0, 0, -went, 0, 0, 0, 0, 0);
  END LOOP;
END $f$;

CREATE OR REPLACE FUNCTION fm_forget_memories(gone fm_gone_memory[]) RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
  s sfm_namespaces;
  links fm_gone_link[];
  went record;
BEGIN
  IF cardinality(gone) > 100 THEN PERFORM set_config('plan_cache_mode', 'force_custom_plan', true); END IF;
  FOR s IN SELECT n.* FROM sfm_namespaces AS n
           WHERE n.fm_number IN (SELECT g.space FROM unnest(gone) AS g) ORDER BY n.fm_tenant, n.fm_name FOR UPDATE LOOP
    WITH cut AS (
      DELETE FROM sfm_graph_links AS l WHERE l.id IN (
        SELECT at.id FROM unnest(gone) AS g CROSS JOIN LATERAL (
          SELECT o.id FROM sfm_graph_links AS o WHERE o.fm_space = s.fm_number AND o.fm_from = g.key UNION ALL
          SELECT o.id FROM sfm_graph_links AS o WHERE o.fm_space = s.fm_number AND o.fm_to = g.key) AS at
        WHERE g.space = s.fm_number)
      RETURNING l.fm_from, l.fm_to, l.fm_type)
      SELECT array_agg((s.fm_number, fm_from, fm_to, fm_type)::fm_gone_link) INTO links FROM cut;
    IF links IS NOT NULL THEN PERFORM fm_forget_links(links); END IF;
    INSERT INTO sfm_removals(space, sequence, kind, key, to_key, type, id)
      SELECT g.space, s.fm_sequence + COALESCE(cardinality(links), 0) + row_number() OVER (ORDER BY g.id), 1, g.key, '',
             '', g.id FROM unnest(gone) AS g WHERE g.space = s.fm_number;
    DELETE FROM sfm_vector_embeddings AS e USING unnest(gone) AS g WHERE g.space = s.fm_number AND e.fm_id = g.id;
    DELETE FROM sfm_keywords AS k USING unnest(gone) AS g WHERE g.space = s.fm_number AND k.id = g.id;
    DELETE FROM sfm_field_values AS f USING unnest(gone) AS g
      WHERE g.space = s.fm_number AND f.space = s.fm_number AND f.id = g.id;
    SELECT count(*) AS memories, sum(type)::bigint AS semantic, count(*) FILTER (WHERE vector) AS vectors,
           sum(words0)::bigint AS words0, sum(words1)::bigint AS words1, sum(words2)::bigint AS words2,
           sum(words3)::bigint AS words3 INTO went FROM unnest(gone) AS g WHERE g.space = s.fm_number;
    PERFORM fm_move_space(s.fm_number, went.memories, 0, -went.memories, -went.semantic, 0, -went.vectors, -went.words0,
                          -went.words1, -went.words2, -went.words3);
  END LOOP;
END $f$;
)sql";

constexpr const char* memory_functions = R"sql(
-- Those that have moved to another place, or cannot be ours any more, are no memory of their old space.
CREATE OR REPLACE FUNCTION fm_leave_memories(places fm_place[]) RETURNS void LANGUAGE plpgsql AS $f$
DECLARE gone fm_gone_memory[];
BEGIN
  WITH leaving AS (
    SELECT m.id, (m.fm_space, m.fm_id, m.fm_key, m.fm_type, m.fm_has_vector, m.fm_words0, m.fm_words1, m.fm_words2,
                  m.fm_words3)::fm_gone_memory AS was
    FROM unnest(places) AS p JOIN sfm_memories AS m ON m.id = p.id
    LEFT JOIN sfm_namespaces AS n ON n.fm_number = m.fm_space
    WHERE m.fm_id IS NOT NULL AND (p.key IS NULL OR m.fm_key <> p.key OR n.fm_number IS NULL OR
          n.fm_tenant <> convert_to(p.tenant, 'UTF8') OR n.fm_name <> convert_to(p.name, 'UTF8'))),
  left_behind AS (
    UPDATE sfm_memories AS m SET fm_id = NULL, fm_space = NULL, fm_key = NULL, fm_uuid = NULL, fm_type = NULL,
      fm_created_at = NULL, fm_updated_at = NULL, fm_expires_at = NULL, fm_version = NULL, fm_accesses = NULL,
      fm_sequence = NULL, fm_vector_sequence = NULL, fm_has_vector = NULL, fm_words0 = NULL, fm_words1 = NULL,
      fm_words2 = NULL, fm_words3 = NULL, fm_metadata = NULL, fm_payload = NULL, fm_unindexed = false
    FROM leaving AS l WHERE m.id = l.id RETURNING l.was)
  SELECT array_agg(was) INTO gone FROM left_behind;
  IF gone IS NOT NULL THEN PERFORM fm_forget_memories(gone); END IF;
END $f$;

CREATE OR REPLACE FUNCTION fm_take_memories(written fm_written[]) RETURNS bigint LANGUAGE plpgsql AS $f$
DECLARE
  places fm_place[];
  known boolean;
  place record;
  s sfm_namespaces;
  done record;
  taken bigint := 0;
BEGIN
  IF cardinality(written) > 100 THEN PERFORM set_config('plan_cache_mode', 'force_custom_plan', true); END IF;
  SELECT array_agg((m.id, m.tenant, m.namespace, CASE WHEN fm_memory_problem(m) IS NULL THEN fm_key(m.coordinate) END,
                    w.payload, w.metadata)::fm_place), bool_or(m.fm_id IS NOT NULL)
    INTO places, known FROM unnest(written) AS w JOIN sfm_memories AS m ON m.id = w.id;
  IF known THEN PERFORM fm_leave_memories(places); END IF;
  FOR place IN SELECT DISTINCT p.tenant COLLATE "C" AS tenant, p.name COLLATE "C" AS name FROM unnest(places) AS p
               WHERE p.key IS NOT NULL ORDER BY 1, 2 LOOP
    s := fm_lock_space(place.tenant, place.name);
    CONTINUE WHEN s.fm_number >= 8388608;  -- an id has no room for more
    -- Of several new ones with one key the oldest; of a key that is taken none.
    WITH here AS (
      SELECT p.id, p.key, m.created_at, m.fm_id, m.fm_type, m.fm_id IS NULL AS new, p.metadata,
             m.fm_id IS NOT NULL AND p.payload AS rewritten,
             (SELECT true FROM sfm_memories AS o WHERE o.fm_space = s.fm_number AND o.fm_key = p.key) AS taken,
             m.fm_id IS NOT NULL AND p.payload AND m.fm_has_vector AND s.fm_embedder <> '' AS drops,
             m.fm_id IS NOT NULL AND m.fm_has_vector AND NOT (p.payload AND s.fm_embedder <> '') AND
             (m.fm_type, m.fm_created_at) <> (CASE m.memory_type WHEN 'semantic' THEN 1 ELSE 0 END,
                                              fm_micros(m.created_at)) AS described,
             m.fm_words0, m.fm_words1, m.fm_words2, m.fm_words3
      FROM unnest(places) AS p JOIN sfm_memories AS m ON m.id = p.id
      WHERE p.key IS NOT NULL AND p.tenant = place.tenant AND p.name = place.name),
    free AS (
      SELECT DISTINCT ON (h.key) h.id FROM here AS h WHERE h.new AND h.taken IS NULL
      ORDER BY h.key, h.created_at, h.id),
    ours AS (
      SELECT h.*, row_number() OVER (ORDER BY h.new, h.fm_id, h.created_at, h.id) AS step,
             row_number() OVER (PARTITION BY h.new ORDER BY h.created_at, h.id) AS number
      FROM here AS h WHERE NOT h.new OR h.id IN (SELECT f.id FROM free AS f)),
    changed AS (
      UPDATE sfm_memories AS m SET
        fm_id = COALESCE(m.fm_id, s.fm_number << 40 | (s.fm_last_id + o.number)), fm_space = s.fm_number,
        fm_key = o.key, fm_uuid = COALESCE(m.fm_uuid, uuid_send(m.id)),
        fm_type = CASE m.memory_type WHEN 'semantic' THEN 1 ELSE 0 END,
        fm_created_at = fm_micros(m.created_at),
        fm_updated_at = CASE WHEN o.new OR fm_micros(m.updated_at) > m.fm_updated_at THEN fm_micros(m.updated_at)
                             ELSE fm_micros(clock_timestamp()) END,
        fm_version = COALESCE(m.fm_version, 0) + 1, fm_accesses = COALESCE(m.fm_accesses, greatest(m.access_count, 0)),
        fm_sequence = s.fm_sequence + o.step,
        fm_vector_sequence = CASE WHEN o.drops OR o.described THEN s.fm_sequence + o.step
                             ELSE COALESCE(m.fm_vector_sequence, 0) END,
        fm_has_vector = NOT o.new AND m.fm_has_vector AND NOT o.drops,
        fm_words0 = CASE WHEN o.new OR o.rewritten THEN 0 ELSE m.fm_words0 END,
        fm_words1 = CASE WHEN o.new OR o.rewritten THEN 0 ELSE m.fm_words1 END,
        fm_words2 = CASE WHEN o.new OR o.rewritten THEN 0 ELSE m.fm_words2 END,
        fm_words3 = CASE WHEN o.new OR o.rewritten THEN 0 ELSE m.fm_words3 END,
        fm_metadata = CASE WHEN o.new OR o.metadata THEN m.metadata::text ELSE m.fm_metadata END,
        fm_payload = CASE WHEN o.new OR o.rewritten THEN m.payload::text ELSE m.fm_payload END,
        fm_unindexed = o.new OR o.rewritten OR m.fm_unindexed
      FROM ours AS o WHERE m.id = o.id
      RETURNING m.fm_id, o.new, o.rewritten, o.drops, o.described, m.fm_type - COALESCE(o.fm_type, 0) AS semantic,
        m.fm_words0 - COALESCE(o.fm_words0, 0) AS words0, m.fm_words1 - COALESCE(o.fm_words1, 0) AS words1,
        m.fm_words2 - COALESCE(o.fm_words2, 0) AS words2, m.fm_words3 - COALESCE(o.fm_words3, 0) AS words3)
    SELECT count(*) AS rows, count(*) FILTER (WHERE c.new) AS new_rows, sum(semantic)::bigint AS semantic,
           sum(words0)::bigint AS words0, sum(words1)::bigint AS words1, sum(words2)::bigint AS words2,
           sum(words3)::bigint AS words3, array_agg(c.fm_id) FILTER (WHERE c.rewritten) AS rewritten,
           array_agg(c.fm_id) FILTER (WHERE c.drops) AS dropped,
           array_agg(c.fm_id) FILTER (WHERE c.described) AS described INTO done FROM changed AS c;
    IF done.rewritten IS NOT NULL THEN
      DELETE FROM sfm_keywords WHERE id = ANY(done.rewritten);
      DELETE FROM sfm_field_values WHERE space = s.fm_number AND id = ANY(done.rewritten);
      DELETE FROM sfm_vector_embeddings WHERE fm_id = ANY(done.dropped);
    END IF;
    IF done.described IS NOT NULL THEN  -- what lies beside a vector counts as a part of it
      UPDATE sfm_vector_embeddings AS e SET fm_sequence = m.fm_vector_sequence FROM sfm_memories AS m
      WHERE m.fm_id = e.fm_id AND e.fm_id = ANY(done.described);
    END IF;
    PERFORM fm_move_space(s.fm_number, done.rows, done.new_rows, done.new_rows, done.semantic, 0,
                          -COALESCE(cardinality(done.dropped), 0), done.words0, done.words1, done.words2, done.words3);
    taken := taken + done.rows;
  END LOOP;
  RETURN taken;
END $f$;
)sql";

constexpr const char* link_functions = R"sql(
CREATE OR REPLACE FUNCTION fm_leave_links(places fm_link_place[]) RETURNS void LANGUAGE plpgsql AS $f$
DECLARE gone fm_gone_link[];
BEGIN
  WITH leaving AS (
    SELECT l.id, (l.fm_space, l.fm_from, l.fm_to, l.fm_type)::fm_gone_link AS was
    FROM unnest(places) AS p JOIN sfm_graph_links AS l ON l.id = p.id
    LEFT JOIN sfm_namespaces AS n ON n.fm_number = l.fm_space
    WHERE l.fm_space IS NOT NULL AND (p.from_key IS NULL OR l.fm_from <> p.from_key OR l.fm_to <> p.to_key OR
          l.fm_type <> p.type OR n.fm_number IS NULL OR n.fm_tenant <> convert_to(p.tenant, 'UTF8') OR
          n.fm_name <> convert_to(p.name, 'UTF8'))),
  left_behind AS (
    UPDATE sfm_graph_links AS l SET fm_space = NULL, fm_from = NULL, fm_type = NULL, fm_to = NULL, fm_sequence = NULL,
      fm_created_at = NULL, fm_metadata = NULL FROM leaving AS w WHERE l.id = w.id RETURNING w.was)
  SELECT array_agg(was) INTO gone FROM left_behind;
  IF gone IS NOT NULL THEN PERFORM fm_forget_links(gone); END IF;
END $f$;

CREATE OR REPLACE FUNCTION fm_take_links(written fm_written[]) RETURNS bigint LANGUAGE plpgsql AS $f$
DECLARE
  places fm_link_place[];
  known boolean;
  place record;
  s sfm_namespaces;
  done record;
  taken bigint := 0;
BEGIN
  IF cardinality(written) > 100 THEN PERFORM set_config('plan_cache_mode', 'force_custom_plan', true); END IF;
  SELECT array_agg((l.id, l.tenant, l.namespace, CASE WHEN good THEN fm_key(l.from_coordinate) END,
                    CASE WHEN good THEN fm_key(l.to_coordinate) END,
                    CASE WHEN good THEN convert_to(l.link_type, 'UTF8') END, w.metadata)::fm_link_place),
         bool_or(l.fm_space IS NOT NULL)
    INTO places, known FROM unnest(written) AS w JOIN sfm_graph_links AS l ON l.id = w.id
    CROSS JOIN LATERAL (SELECT fm_link_problem(l) IS NULL AS good) AS g;
  IF known THEN PERFORM fm_leave_links(places); END IF;
  FOR place IN SELECT DISTINCT p.tenant COLLATE "C" AS tenant, p.name COLLATE "C" AS name FROM unnest(places) AS p
               WHERE p.from_key IS NOT NULL ORDER BY 1, 2 LOOP
    s := fm_lock_space(place.tenant, place.name);
    CONTINUE WHEN s.fm_number >= 8388608;
    WITH here AS (
      SELECT p.id, p.from_key, p.to_key, p.type, p.metadata, l.created_at, l.fm_space IS NULL AS new,
             (SELECT true FROM sfm_graph_links AS o WHERE o.fm_space = s.fm_number AND o.fm_from = p.from_key AND
                o.fm_type = p.type AND o.fm_to = p.to_key) AS taken
      FROM unnest(places) AS p JOIN sfm_graph_links AS l ON l.id = p.id
      WHERE p.from_key IS NOT NULL AND p.tenant = place.tenant AND p.name = place.name),
    free AS (
      SELECT DISTINCT ON (h.from_key, h.type, h.to_key) h.id FROM here AS h WHERE h.new AND h.taken IS NULL
      ORDER BY h.from_key, h.type, h.to_key, h.created_at, h.id),
    ours AS (
      SELECT h.*, row_number() OVER (ORDER BY h.new, h.created_at, h.id) AS step
      FROM here AS h WHERE NOT h.new OR h.id IN (SELECT f.id FROM free AS f)),
    changed AS (
      UPDATE sfm_graph_links AS l SET fm_space = s.fm_number, fm_from = o.from_key, fm_type = o.type, fm_to = o.to_key,
        fm_sequence = s.fm_sequence + o.step, fm_created_at = fm_micros(l.created_at),
        fm_metadata = CASE WHEN o.new OR o.metadata THEN l.metadata::text ELSE l.fm_metadata END
      FROM ours AS o WHERE l.id = o.id RETURNING o.new)
    SELECT count(*) AS rows, count(*) FILTER (WHERE new) AS new_rows INTO done FROM changed;
    PERFORM fm_move_space(s.fm_number, done.rows, 0, 0, 0, done.new_rows, 0, 0, 0, 0, 0);
    taken := taken + done.rows;
  END LOOP;
  RETURN taken;
END $f$;
)sql";

// A read of the service counts itself (access_count, last_accessed, updated_at): that is no write.
constexpr const char* trigger_functions = R"sql(
CREATE OR REPLACE FUNCTION fm_memories_inserted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $f$
BEGIN
  PERFORM set_config('fractal.writer', 'on', true);
  PERFORM fm_take_memories(ARRAY(SELECT (n.id, true, true)::fm_written FROM new_rows AS n WHERE n.fm_id IS NULL));
  PERFORM set_config('fractal.writer', 'off', true);
  RETURN NULL;
END $f$;

-- EXECUTE, since a kept plan joins the two tables as if they were as small as when it was first asked for.
CREATE OR REPLACE FUNCTION fm_memories_updated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $f$
DECLARE written fm_written[];
BEGIN
  PERFORM set_config('fractal.writer', 'on', true);
  EXECUTE $q$
    SELECT array_agg((n.id, o.payload::text IS DISTINCT FROM n.payload::text,
                      o.metadata::text IS DISTINCT FROM n.metadata::text)::fm_written)
    FROM new_rows AS n LEFT JOIN old_rows AS o ON o.id = n.id
    WHERE o.payload::text IS DISTINCT FROM n.payload::text OR o.metadata::text IS DISTINCT FROM n.metadata::text OR
      (o.tenant, o.namespace, o.coordinate, o.memory_type, o.importance, o.created_at) IS DISTINCT FROM
      (n.tenant, n.namespace, n.coordinate, n.memory_type, n.importance, n.created_at) $q$ INTO written;
  PERFORM fm_take_memories(written);
  PERFORM set_config('fractal.writer', 'off', true);
  RETURN NULL;
END $f$;

CREATE OR REPLACE FUNCTION fm_memories_deleted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $f$
BEGIN
  PERFORM set_config('fractal.writer', 'on', true);
  PERFORM fm_forget_memories(ARRAY(
    SELECT (o.fm_space, o.fm_id, o.fm_key, o.fm_type, o.fm_has_vector, o.fm_words0, o.fm_words1, o.fm_words2,
            o.fm_words3)::fm_gone_memory FROM old_rows AS o WHERE o.fm_id IS NOT NULL));
  PERFORM set_config('fractal.writer', 'off', true);
  RETURN NULL;
END $f$;

CREATE OR REPLACE FUNCTION fm_memory_accessed() RETURNS trigger LANGUAGE plpgsql AS $f$
BEGIN
  NEW.fm_accesses := greatest(OLD.fm_accesses + NEW.access_count - OLD.access_count, 0);
  RETURN NEW;
END $f$;

CREATE OR REPLACE FUNCTION fm_links_inserted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $f$
BEGIN
  PERFORM set_config('fractal.writer', 'on', true);
  PERFORM fm_take_links(ARRAY(SELECT (n.id, true, true)::fm_written FROM new_rows AS n WHERE n.fm_space IS NULL));
  PERFORM set_config('fractal.writer', 'off', true);
  RETURN NULL;
END $f$;

CREATE OR REPLACE FUNCTION fm_links_updated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $f$
DECLARE written fm_written[];
BEGIN
  PERFORM set_config('fractal.writer', 'on', true);
  EXECUTE $q$
    SELECT array_agg((n.id, false, o.metadata::text IS DISTINCT FROM n.metadata::text)::fm_written)
    FROM new_rows AS n LEFT JOIN old_rows AS o ON o.id = n.id
    WHERE o.metadata::text IS DISTINCT FROM n.metadata::text OR
      (o.tenant, o.namespace, o.from_coordinate, o.to_coordinate, o.link_type, o.strength, o.created_at)
      IS DISTINCT FROM
      (n.tenant, n.namespace, n.from_coordinate, n.to_coordinate, n.link_type, n.strength, n.created_at)
    $q$ INTO written;
  PERFORM fm_take_links(written);
  PERFORM set_config('fractal.writer', 'off', true);
  RETURN NULL;
END $f$;

CREATE OR REPLACE FUNCTION fm_links_deleted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $f$
BEGIN
  PERFORM set_config('fractal.writer', 'on', true);
  PERFORM fm_forget_links(ARRAY(
    SELECT (o.fm_space, o.fm_from, o.fm_to, o.fm_type)::fm_gone_link FROM old_rows AS o WHERE o.fm_space IS NOT NULL));
  PERFORM set_config('fractal.writer', 'off', true);
  RETURN NULL;
END $f$;

CREATE OR REPLACE FUNCTION fm_namespace_inserted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $f$
BEGIN
  IF fm_space_problem(NEW.tenant, NEW.name) IS NULL AND NOT EXISTS (
      SELECT FROM sfm_namespaces
      WHERE fm_tenant = convert_to(NEW.tenant, 'UTF8') AND fm_name = convert_to(NEW.name, 'UTF8'))
  THEN
    NEW.fm_number := nextval('sfm_space_numbers');
    NEW.fm_tenant := convert_to(NEW.tenant, 'UTF8');
    NEW.fm_name := convert_to(NEW.name, 'UTF8');
  END IF;
  RETURN NEW;
END $f$;

CREATE OR REPLACE FUNCTION fm_namespace_deleted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $f$
BEGIN
  IF OLD.fm_memories + OLD.fm_links > 0 THEN
    RAISE foreign_key_violation USING
      MESSAGE = format('namespace %s of tenant %s still has memories or links', OLD.name, OLD.tenant);
  END IF;
  DELETE FROM sfm_removals WHERE space = OLD.fm_number;
  DELETE FROM sfm_audit_log WHERE fm_space = OLD.fm_number;
  RETURN OLD;
END $f$;
)sql";

constexpr const char* triggers = R"sql(
DROP TRIGGER IF EXISTS fm_inserted ON sfm_memories;
DROP TRIGGER IF EXISTS fm_updated ON sfm_memories;
DROP TRIGGER IF EXISTS fm_deleted ON sfm_memories;
DROP TRIGGER IF EXISTS fm_accessed ON sfm_memories;
DROP TRIGGER IF EXISTS fm_inserted ON sfm_graph_links;
DROP TRIGGER IF EXISTS fm_updated ON sfm_graph_links;
DROP TRIGGER IF EXISTS fm_deleted ON sfm_graph_links;
DROP TRIGGER IF EXISTS fm_inserted ON sfm_namespaces;
DROP TRIGGER IF EXISTS fm_deleted ON sfm_namespaces;
CREATE TRIGGER fm_inserted AFTER INSERT ON sfm_memories REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
  WHEN (current_setting('fractal.writer', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION fm_memories_inserted();
CREATE TRIGGER fm_updated AFTER UPDATE ON sfm_memories REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT WHEN (current_setting('fractal.writer', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION fm_memories_updated();
CREATE TRIGGER fm_deleted AFTER DELETE ON sfm_memories REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT
  WHEN (current_setting('fractal.writer', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION fm_memories_deleted();
CREATE TRIGGER fm_accessed BEFORE UPDATE OF access_count ON sfm_memories FOR EACH ROW
  WHEN (NEW.access_count <> OLD.access_count AND NEW.fm_accesses = OLD.fm_accesses)
  EXECUTE FUNCTION fm_memory_accessed();
CREATE TRIGGER fm_inserted AFTER INSERT ON sfm_graph_links REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
  WHEN (current_setting('fractal.writer', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION fm_links_inserted();
CREATE TRIGGER fm_updated AFTER UPDATE ON sfm_graph_links REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT WHEN (current_setting('fractal.writer', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION fm_links_updated();
CREATE TRIGGER fm_deleted AFTER DELETE ON sfm_graph_links REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT
  WHEN (current_setting('fractal.writer', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION fm_links_deleted();
CREATE TRIGGER fm_inserted BEFORE INSERT ON sfm_namespaces FOR EACH ROW
  WHEN (NEW.fm_number IS NULL) EXECUTE FUNCTION fm_namespace_inserted();
CREATE TRIGGER fm_deleted BEFORE DELETE ON sfm_namespaces FOR EACH ROW
  WHEN (OLD.fm_number IS NOT NULL AND current_setting('fractal.writer', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION fm_namespace_deleted();

-- Whoever writes, these find our tables, and write numbers as texts in full.
DO $f$
DECLARE one regprocedure;
BEGIN
  FOR one IN SELECT p.oid FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
             WHERE n.nspname = current_schema() AND p.proname LIKE 'fm\_%' AND p.prosecdef LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', one, current_schema());
    EXECUTE format('ALTER FUNCTION %s SET extra_float_digits = 1', one);
    EXECUTE format('ALTER FUNCTION %s SET plan_cache_mode = auto', one);
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', one);
  END LOOP;
END $f$;
)sql";

}  // namespace

Result<void> make_row_functions(Connection& connection) {
  return connection.script(row_functions, "make the functions");
}

Result<void> make_triggers(Connection& connection) {
  FRACTAL_TRY(make_row_functions(connection));
  for (const char* script : {space_functions, memory_functions, link_functions, trigger_functions, triggers}) {
    FRACTAL_TRY(connection.script(script, "make the triggers"));
  }
  return {};
}

}  // namespace fractal::postgres_backend
