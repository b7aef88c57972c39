-- The tables of SomaFractalMemory's service as Django makes them: no default on the server, its names of indexes, deferred
-- foreign keys, uniqueness without the tenant.
CREATE TABLE sfm_memories (
  id uuid NOT NULL PRIMARY KEY,
  namespace varchar(255) NOT NULL,
  coordinate double precision[] NOT NULL,
  coordinate_key varchar(512) NOT NULL,
  memory_type varchar(20) NOT NULL,
  payload jsonb NOT NULL,
  metadata jsonb NOT NULL,
  tenant varchar(255) NOT NULL,
  importance double precision NOT NULL,
  access_count integer NOT NULL,
  last_accessed timestamp with time zone NULL,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL
);
ALTER TABLE sfm_memories ADD CONSTRAINT unique_namespace_coordinate UNIQUE (namespace, coordinate_key);
CREATE INDEX sfm_memories_namespace_0c5aa1f3 ON sfm_memories (namespace);
CREATE INDEX sfm_memories_namespace_0c5aa1f3_like ON sfm_memories (namespace varchar_pattern_ops);
CREATE INDEX sfm_memories_coordinate_key_7be0d94e ON sfm_memories (coordinate_key);
CREATE INDEX sfm_memories_tenant_b3a6e8d2 ON sfm_memories (tenant);
CREATE INDEX sfm_memories_created_at_41d0b7aa ON sfm_memories (created_at);
CREATE INDEX sfm_memorie_tenant_6f3c2e_idx ON sfm_memories (tenant, namespace);
CREATE INDEX sfm_memories_payload_gin ON sfm_memories USING gin (payload);

CREATE TABLE sfm_graph_links (
  id uuid NOT NULL PRIMARY KEY,
  namespace varchar(255) NOT NULL,
  from_coordinate double precision[] NOT NULL,
  from_coordinate_key varchar(512) NOT NULL,
  to_coordinate double precision[] NOT NULL,
  to_coordinate_key varchar(512) NOT NULL,
  link_type varchar(100) NOT NULL,
  strength double precision NOT NULL,
  metadata jsonb NOT NULL,
  tenant varchar(255) NOT NULL,
  created_at timestamp with time zone NOT NULL
);
ALTER TABLE sfm_graph_links ADD CONSTRAINT unique_graph_link
  UNIQUE (namespace, from_coordinate_key, to_coordinate_key, link_type);
CREATE INDEX sfm_graph_l_namespa_91d5ab_idx ON sfm_graph_links (namespace, from_coordinate_key);
CREATE INDEX sfm_graph_l_namespa_4e07c3_idx ON sfm_graph_links (namespace, to_coordinate_key);

CREATE TABLE sfm_vector_embeddings (
  id uuid NOT NULL PRIMARY KEY,
  collection_name varchar(255) NOT NULL,
  milvus_id bigint NULL,
  vector_dim integer NOT NULL,
  model_name varchar(255) NOT NULL,
  created_at timestamp with time zone NOT NULL,
  memory_id uuid NOT NULL
);
ALTER TABLE sfm_vector_embeddings ADD CONSTRAINT sfm_vector_embedding_memory_id_5d1b8f60_fk_sfm_memor
  FOREIGN KEY (memory_id) REFERENCES sfm_memories (id) DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX sfm_vector_embeddings_memory_id_5d1b8f60 ON sfm_vector_embeddings (memory_id);

CREATE TABLE sfm_namespaces (
  id uuid NOT NULL PRIMARY KEY,
  name varchar(255) NOT NULL UNIQUE,
  tenant varchar(255) NOT NULL,
  description text NOT NULL,
  config jsonb NOT NULL,
  total_memories integer NOT NULL,
  episodic_count integer NOT NULL,
  semantic_count integer NOT NULL,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL
);
CREATE INDEX sfm_namespaces_tenant_c81f4b35 ON sfm_namespaces (tenant);

CREATE TABLE sfm_audit_log (
  id uuid NOT NULL PRIMARY KEY,
  action varchar(20) NOT NULL,
  namespace varchar(255) NOT NULL,
  coordinate_key varchar(512) NOT NULL,
  tenant varchar(255) NOT NULL,
  user_id varchar(255) NOT NULL,
  ip_address inet NULL,
  details jsonb NOT NULL,
  "timestamp" timestamp with time zone NOT NULL
);
CREATE INDEX sfm_audit_log_timestamp_2a7790c4 ON sfm_audit_log ("timestamp");

CREATE TABLE django_migrations (id bigint PRIMARY KEY, app varchar(255) NOT NULL, name varchar(255) NOT NULL);
