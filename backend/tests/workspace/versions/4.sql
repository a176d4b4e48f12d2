BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0004');
CREATE TABLE case_images (
	"case" VARCHAR(32) NOT NULL, 
	position INTEGER NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	PRIMARY KEY ("case", position), 
	FOREIGN KEY("case") REFERENCES cases (id), 
	FOREIGN KEY(sha256) REFERENCES files (sha256)
);
INSERT INTO "case_images" VALUES('81ca947aa48cb0c5',0,'b81ca37bf0e2a4d90002f611ed70a20b74c94b78b9727b3dc0c6c973af63aa87');
INSERT INTO "case_images" VALUES('4c4b3a047f9bf88d',0,'8b8d44816c8f3529a2512dc608b753a9a06b9c7d749c49b9fc04dc1dd7a98aaf');
INSERT INTO "case_images" VALUES('acea47f5a0302f85',0,'772bd98ca432efac48b3b2d57c25336485502e9e432df1c79d9c733724ccabdc');
INSERT INTO "case_images" VALUES('c446a5df6e320dfb',0,'ca93868f2468c4032f8703ac26b760cc841bd76e951a9c7e78d1d4ed4c70e646');
CREATE TABLE cases (
	id VARCHAR(32) NOT NULL, 
	task VARCHAR(32) NOT NULL, 
	name VARCHAR NOT NULL, 
	subject VARCHAR NOT NULL, 
	images_key VARCHAR NOT NULL, 
	voxels VARCHAR(64), 
	geometry JSON NOT NULL, 
	membership VARCHAR, 
	created DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (task, images_key), 
	FOREIGN KEY(task) REFERENCES tasks (id)
);
INSERT INTO "cases" VALUES('81ca947aa48cb0c5','173b14b6c7251514','case of Anna','Anna','b81ca37bf0e2a4d90002f611ed70a20b74c94b78b9727b3dc0c6c973af63aa87','0fcac1e23e43fab403c4e451491b613ff95e874f89cd8ae8a4c2b0c3f948b848','{"size": [5, 4], "spacing": [1.0, 1.5], "origin": [5.0, -7.0], "direction": [1.0, 0.0, 0.0, 1.0]}','training','2026-11-27 16:11:59.453984');
INSERT INTO "cases" VALUES('4c4b3a047f9bf88d','173b14b6c7251514','case of Bert','Bert','8b8d44816c8f3529a2512dc608b753a9a06b9c7d749c49b9fc04dc1dd7a98aaf','2de30cf145511e1aad9e04ec651841491c75ec9c566da38ca23ca8433fcdf0b1','{"size": [5, 4], "spacing": [1.0, 1.5], "origin": [5.0, -7.0], "direction": [1.0, 0.0, 0.0, 1.0]}','validation','2026-11-27 16:11:59.911491');
INSERT INTO "cases" VALUES('acea47f5a0302f85','b5f31def1f693bf1','case of Anna','Anna','772bd98ca432efac48b3b2d57c25336485502e9e432df1c79d9c733724ccabdc','1cf8eff965af4a5bf4649c17b70a1954ae7b4064d2de1aa58fa7612b8f5ae726','{"size": [5, 4], "spacing": [1.0, 1.5], "origin": [5.0, -7.0], "direction": [1.0, 0.0, 0.0, 1.0]}','training','2026-11-27 16:12:00.320738');
INSERT INTO "cases" VALUES('c446a5df6e320dfb','b5f31def1f693bf1','case of Bert','Bert','ca93868f2468c4032f8703ac26b760cc841bd76e951a9c7e78d1d4ed4c70e646','0e451d6845e6c13ce60f31a38e762506fe38fd53997e2ab79940f7056590f6ae','{"size": [5, 4], "spacing": [1.0, 1.5], "origin": [5.0, -7.0], "direction": [1.0, 0.0, 0.0, 1.0]}','validation','2026-11-27 16:12:00.484760');
CREATE TABLE classes (
	task VARCHAR(32) NOT NULL, 
	value INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	color JSON, 
	terminology VARCHAR, 
	PRIMARY KEY (task, value), 
	UNIQUE (task, name), 
	FOREIGN KEY(task) REFERENCES tasks (id)
);
INSERT INTO "classes" VALUES('173b14b6c7251514',1,'organ','null',NULL);
INSERT INTO "classes" VALUES('173b14b6c7251514',3,'lesion','null',NULL);
INSERT INTO "classes" VALUES('b5f31def1f693bf1',1,'organ','null',NULL);
INSERT INTO "classes" VALUES('b5f31def1f693bf1',3,'lesion','null',NULL);
CREATE TABLE files (
	sha256 VARCHAR(64) NOT NULL, 
	size_bytes INTEGER NOT NULL, 
	channels INTEGER NOT NULL, 
	dtype VARCHAR NOT NULL, 
	geometry JSON NOT NULL, 
	voxels JSON, 
	created DATETIME NOT NULL, 
	PRIMARY KEY (sha256)
);
INSERT INTO "files" VALUES('b81ca37bf0e2a4d90002f611ed70a20b74c94b78b9727b3dc0c6c973af63aa87',341,1,'float32','{"size": [5, 4], "spacing": [1.0, 1.5], "origin": [5.0, -7.0], "direction": [1.0, 0.0, 0.0, 1.0]}','["1b97d97b4c72aeac13f5ebfd29b01cc758786b02ac208e4fd8a2836b5885336c"]','2026-11-27 16:11:59.416661');
INSERT INTO "files" VALUES('43ab8dfcd258e6521bb34300adcf08619a53d2affb4834253ef97110f114713c',274,1,'uint8','{"size": [5, 4], "spacing": [1.0, 1.5], "origin": [5.0, -7.0], "direction": [1.0, 0.0, 0.0, 1.0]}','["143132b84e27eed65b024a84600ff4a95c5d0a3fe7bdd44209085719f99f5be4"]','2026-11-27 16:11:59.551416');
INSERT INTO "files" VALUES('1cf02d10a614ce1e421681353507b6f92fe9109d4b269d589095a62fe1ea3d1d',274,1,'uint8','{"size": [5, 4], "spacing": [1.0, 1.5], "origin": [5.0, -7.0], "direction": [1.0, 0.0, 0.0, 1.0]}','["104d53f047af02300808754dcc01dc1412c15840a17c2db09eeacc524e7ba5c0"]','2026-11-27 16:11:59.747393');
INSERT INTO "files" VALUES('8b8d44816c8f3529a2512dc608b753a9a06b9c7d749c49b9fc04dc1dd7a98aaf',341,1,'float32','{"size": [5, 4], "spacing": [1.0, 1.5], "origin": [5.0, -7.0], "direction": [1.0, 0.0, 0.0, 1.0]}','["8e3665e8f8bf27e1876316276d0278a0110ec728f3cd660e5e01e9e7c4e2a4ff"]','2026-11-27 16:11:59.883558');
INSERT INTO "files" VALUES('83a9e1e046bc038888677f4f6715359b7801412457dbe0619a2b71f59ee6d850',274,1,'uint8','{"size": [5, 4], "spacing": [1.0, 1.5], "origin": [5.0, -7.0], "direction": [1.0, 0.0, 0.0, 1.0]}','["fa2308b32fb8e6c4b2e590927571bb9731f3a113bc53575341afb9d52e6b8b35"]','2026-11-27 16:11:59.979319');
INSERT INTO "files" VALUES('772bd98ca432efac48b3b2d57c25336485502e9e432df1c79d9c733724ccabdc',341,1,'float32','{"size": [5, 4], "spacing": [1.0, 1.5], "origin": [5.0, -7.0], "direction": [1.0, 0.0, 0.0, 1.0]}','["5b3609bd212a0a2acbe9cb512c607a356c24a9f79fa81697db93220e75f6f506"]','2026-11-27 16:12:00.303330');
INSERT INTO "files" VALUES('f3c7428099395ed5010f7889398bb9de5e694f946ab583abf2890a865eddbb04',274,1,'uint8','{"size": [5, 4], "spacing": [1.0, 1.5], "origin": [5.0, -7.0], "direction": [1.0, 0.0, 0.0, 1.0]}','["9739c5586085a2f7afdd71a4bf4b058efb32fda7d5fbc363ad48432cde9bdaaf"]','2026-11-27 16:12:00.363348');
INSERT INTO "files" VALUES('ca93868f2468c4032f8703ac26b760cc841bd76e951a9c7e78d1d4ed4c70e646',341,1,'float32','{"size": [5, 4], "spacing": [1.0, 1.5], "origin": [5.0, -7.0], "direction": [1.0, 0.0, 0.0, 1.0]}','["6dd95789d0ab229be0182b476ef686bc89732a18b95740762ae78619cfc2db6e"]','2026-11-27 16:12:00.467594');
INSERT INTO "files" VALUES('1499c6a20a121ca0463c77926471d69f665e07f269ffa9e2f82fd3fcbd24b168',274,1,'uint8','{"size": [5, 4], "spacing": [1.0, 1.5], "origin": [5.0, -7.0], "direction": [1.0, 0.0, 0.0, 1.0]}','["f1a15474fa68435bfb97459ca9b2defc17872fa75b50992c60c7030d977f7d89"]','2026-11-27 16:12:00.547002');
CREATE TABLE gate_rules (
	id INTEGER NOT NULL, 
	task VARCHAR(32) NOT NULL, 
	rule JSON NOT NULL, 
	author VARCHAR NOT NULL, 
	note VARCHAR NOT NULL, 
	created DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(task) REFERENCES tasks (id)
);
CREATE TABLE jobs (
	id VARCHAR(32) NOT NULL, 
	task VARCHAR(32) NOT NULL, 
	kind VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	progress JSON NOT NULL, 
	request JSON NOT NULL, 
	result JSON, 
	error JSON, 
	created DATETIME NOT NULL, 
	started DATETIME, 
	finished DATETIME, 
	version INTEGER NOT NULL, 
	resumes BOOLEAN NOT NULL, 
	interruptions INTEGER NOT NULL, 
	resumed_from INTEGER, 
	notes JSON NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(task) REFERENCES tasks (id)
);
INSERT INTO "jobs" VALUES('579249601782c7c9','173b14b6c7251514','training','queued','{"fraction": 0.0, "stage": "waiting", "eta_seconds": null, "scalars": {}}','{"epochs": 1}','null','null','2026-11-27 16:12:00.235734',NULL,NULL,1,0,0,NULL,'[]');
CREATE TABLE label_revisions (
	id VARCHAR(32) NOT NULL, 
	"case" VARCHAR(32) NOT NULL, 
	number INTEGER NOT NULL, 
	label VARCHAR(64) NOT NULL, 
	classes JSON NOT NULL, 
	author VARCHAR NOT NULL, 
	note VARCHAR NOT NULL, 
	origin VARCHAR NOT NULL, 
	parent VARCHAR(32), 
	model_version VARCHAR(32), 
	region JSON, 
	created DATETIME NOT NULL, 
	restored_from VARCHAR(32), 
	PRIMARY KEY (id), 
	UNIQUE ("case", number), 
	FOREIGN KEY("case") REFERENCES cases (id), 
	FOREIGN KEY(label) REFERENCES files (sha256), 
	FOREIGN KEY(parent) REFERENCES label_revisions (id), 
	FOREIGN KEY(model_version) REFERENCES model_versions (id), 
	FOREIGN KEY(restored_from) REFERENCES label_revisions (id)
);
INSERT INTO "label_revisions" VALUES('3cbecead8fb7c398','81ca947aa48cb0c5',1,'43ab8dfcd258e6521bb34300adcf08619a53d2affb4834253ef97110f114713c','{"organ": 1, "lesion": 3}','reader','','manual',NULL,NULL,'null','2026-11-27 16:11:59.678072',NULL);
INSERT INTO "label_revisions" VALUES('d2e230595200ca10','81ca947aa48cb0c5',2,'1cf02d10a614ce1e421681353507b6f92fe9109d4b269d589095a62fe1ea3d1d','{"organ": 1, "lesion": 3}','expert','','corrected','3cbecead8fb7c398',NULL,'null','2026-11-27 16:11:59.832579',NULL);
INSERT INTO "label_revisions" VALUES('627e1fdad70990d3','4c4b3a047f9bf88d',1,'83a9e1e046bc038888677f4f6715359b7801412457dbe0619a2b71f59ee6d850','{"organ": 1, "lesion": 3}','reader','','manual',NULL,NULL,'null','2026-11-27 16:12:00.041075',NULL);
INSERT INTO "label_revisions" VALUES('65a4edc43595d358','acea47f5a0302f85',1,'f3c7428099395ed5010f7889398bb9de5e694f946ab583abf2890a865eddbb04','{"organ": 1, "lesion": 3}','reader','','manual',NULL,NULL,'null','2026-11-27 16:12:00.417171',NULL);
INSERT INTO "label_revisions" VALUES('7525361b09ffca5e','c446a5df6e320dfb',1,'1499c6a20a121ca0463c77926471d69f665e07f269ffa9e2f82fd3fcbd24b168','{"organ": 1, "lesion": 3}','reader','','manual',NULL,NULL,'null','2026-11-27 16:12:00.624948',NULL);
CREATE TABLE model_versions (
	id VARCHAR(32) NOT NULL, 
	task VARCHAR(32) NOT NULL, 
	number INTEGER NOT NULL, 
	parent VARCHAR(32), 
	weights VARCHAR(64) NOT NULL, 
	description VARCHAR(64) NOT NULL, 
	"plan" JSON NOT NULL, 
	classes JSON NOT NULL, 
	trained_on JSON NOT NULL, 
	loss JSON NOT NULL, 
	scores JSON NOT NULL, 
	gate JSON, 
	notes JSON NOT NULL, 
	author VARCHAR NOT NULL, 
	note VARCHAR NOT NULL, 
	created DATETIME NOT NULL, 
	job VARCHAR(32), 
	PRIMARY KEY (id), 
	UNIQUE (task, number), 
	FOREIGN KEY(task) REFERENCES tasks (id), 
	FOREIGN KEY(parent) REFERENCES model_versions (id)
);
INSERT INTO "model_versions" VALUES('e6b0957302da61f9','173b14b6c7251514',1,NULL,'b4bad09811a91a780bce0753d16a90c1824da8243a18d4a2f40ad20f030ddb0e','f5803a1290e0008d0e57a3cfe2b77319161200aad6c09aece0386abf63db961b','{"version": 1, "dimension": 2, "modality": "other", "spacing": [1.0, 1.0], "patch_size": [8, 8], "batch_size": 1, "features": [4, 8], "kernel_sizes": [[3, 3], [3, 3]], "strides": [[1, 1], [2, 2]], "normalisation": [{"kind": "z-score"}], "classes": 3, "architecture": "dynunet"}','[{"value": 1, "name": "organ", "color": null, "terminology": null}, {"value": 3, "name": "lesion", "color": null, "terminology": null}]','["3cbecead8fb7c398", "d2e230595200ca10", "627e1fdad70990d3"]','{"name": "asymmetric-unified-focal", "options": {"weight": 0.5}}','{"validation": {"cases": 1, "mean": 0.8, "per_class": {"organ": 0.9, "lesion": null}, "surface_mean": null, "surface_per_class": {}}, "published": null}','{"outcome": "promote", "reason": "better"}','[]','','','2026-11-27 16:12:00.104515',NULL);
INSERT INTO "model_versions" VALUES('129e938b6fb66d15','173b14b6c7251514',2,'e6b0957302da61f9','597623f69a2f40bbbe637874459584f0a181026dfe7a1f61cbef0b06fe5ea1c2','71396e67c0e34a186ee5d5328e1196178bc7872734075b77c60331ec083e63fd','{"version": 1, "dimension": 2, "modality": "other", "spacing": [1.0, 1.0], "patch_size": [8, 8], "batch_size": 1, "features": [4, 8], "kernel_sizes": [[3, 3], [3, 3]], "strides": [[1, 1], [2, 2]], "normalisation": [{"kind": "z-score"}], "classes": 3, "architecture": "dynunet"}','[{"value": 1, "name": "organ", "color": null, "terminology": null}, {"value": 3, "name": "lesion", "color": null, "terminology": null}]','["3cbecead8fb7c398", "d2e230595200ca10", "627e1fdad70990d3"]','{"name": "asymmetric-unified-focal", "options": {"weight": 0.5}}','{"validation": {"cases": 1, "mean": 0.8, "per_class": {"organ": 0.9, "lesion": null}, "surface_mean": null, "surface_per_class": {}}, "published": null}','{"outcome": "promote", "reason": "better"}','[]','','','2026-11-27 16:12:00.196940',NULL);
INSERT INTO "model_versions" VALUES('6d9451e7f503f0fd','b5f31def1f693bf1',1,NULL,'f2103c2e6bfb2896da68611d3c97a6785f5819703b756d32c5236436a7c005e1','e3f0c97e157926d0d47e5eafe43543fd2d37e1a8cb455fb5049c5423af37603e','{"version": 1, "dimension": 2, "modality": "other", "spacing": [1.0, 1.0], "patch_size": [8, 8], "batch_size": 1, "features": [4, 8], "kernel_sizes": [[3, 3], [3, 3]], "strides": [[1, 1], [2, 2]], "normalisation": [{"kind": "z-score"}], "classes": 3, "architecture": "dynunet"}','[{"value": 1, "name": "organ", "color": null, "terminology": null}, {"value": 3, "name": "lesion", "color": null, "terminology": null}]','["65a4edc43595d358", "7525361b09ffca5e"]','{"name": "asymmetric-unified-focal", "options": {"weight": 0.5}}','{"validation": {"cases": 1, "mean": 0.8, "per_class": {"organ": 0.9, "lesion": null}, "surface_mean": null, "surface_per_class": {}}, "published": null}','{"outcome": "promote", "reason": "better"}','[]','','','2026-11-27 16:12:00.683840',NULL);
CREATE TABLE promotions (
	id INTEGER NOT NULL, 
	task VARCHAR(32) NOT NULL, 
	model_version VARCHAR(32) NOT NULL, 
	reason VARCHAR NOT NULL, 
	author VARCHAR NOT NULL, 
	"rollback" BOOLEAN NOT NULL, 
	created DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(task) REFERENCES tasks (id), 
	FOREIGN KEY(model_version) REFERENCES model_versions (id)
);
INSERT INTO "promotions" VALUES(1,'173b14b6c7251514','e6b0957302da61f9','better','gate',0,'2026-11-27 16:12:00.105925');
INSERT INTO "promotions" VALUES(2,'173b14b6c7251514','129e938b6fb66d15','better','gate',0,'2026-11-27 16:12:00.197666');
INSERT INTO "promotions" VALUES(3,'173b14b6c7251514','e6b0957302da61f9','worse on my cases','expert',1,'2026-11-27 16:12:00.220630');
INSERT INTO "promotions" VALUES(4,'b5f31def1f693bf1','6d9451e7f503f0fd','better','gate',0,'2026-11-27 16:12:00.684566');
CREATE TABLE schema_version (
	version INTEGER NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "schema_version" VALUES(3);
CREATE TABLE tasks (
	id VARCHAR(32) NOT NULL, 
	name VARCHAR NOT NULL, 
	modality VARCHAR NOT NULL, 
	channels JSON NOT NULL, 
	validation_fraction DOUBLE NOT NULL, 
	created DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
INSERT INTO "tasks" VALUES('173b14b6c7251514','Knee','other','["image"]',0.5,'2026-11-27 16:11:59.057384');
INSERT INTO "tasks" VALUES('b5f31def1f693bf1','Hip','other','["image"]',0.5,'2026-11-27 16:12:00.246817');
CREATE TABLE workspace_identity (
	id VARCHAR(32) NOT NULL, 
	created DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "workspace_identity" VALUES('56efe6c9d76072e7cf0b31d9e8185d4d','2026-11-27 16:11:58.938912');
CREATE INDEX ix_cases_voxels ON cases (voxels);
CREATE INDEX ix_cases_task ON cases (task);
CREATE INDEX ix_model_versions_task ON model_versions (task);
CREATE INDEX ix_gate_rules_task ON gate_rules (task);
CREATE INDEX ix_jobs_task ON jobs (task);
CREATE INDEX ix_jobs_state ON jobs (state);
CREATE INDEX ix_label_revisions_case ON label_revisions ("case");
CREATE INDEX ix_promotions_task ON promotions (task);
CREATE TRIGGER classes_no_update BEFORE UPDATE ON classes BEGIN SELECT RAISE(ABORT, 'classes is append-only: update refused'); END;
CREATE TRIGGER classes_no_delete BEFORE DELETE ON classes BEGIN SELECT RAISE(ABORT, 'classes is append-only: delete refused'); END;
CREATE TRIGGER label_revisions_no_update BEFORE UPDATE ON label_revisions BEGIN SELECT RAISE(ABORT, 'label_revisions is append-only: update refused'); END;
CREATE TRIGGER label_revisions_no_delete BEFORE DELETE ON label_revisions BEGIN SELECT RAISE(ABORT, 'label_revisions is append-only: delete refused'); END;
CREATE TRIGGER model_versions_no_update BEFORE UPDATE ON model_versions BEGIN SELECT RAISE(ABORT, 'model_versions is append-only: update refused'); END;
CREATE TRIGGER model_versions_no_delete BEFORE DELETE ON model_versions BEGIN SELECT RAISE(ABORT, 'model_versions is append-only: delete refused'); END;
CREATE TRIGGER promotions_no_update BEFORE UPDATE ON promotions BEGIN SELECT RAISE(ABORT, 'promotions is append-only: update refused'); END;
CREATE TRIGGER promotions_no_delete BEFORE DELETE ON promotions BEGIN SELECT RAISE(ABORT, 'promotions is append-only: delete refused'); END;
CREATE TRIGGER gate_rules_no_update BEFORE UPDATE ON gate_rules BEGIN SELECT RAISE(ABORT, 'gate_rules is append-only: update refused'); END;
CREATE TRIGGER gate_rules_no_delete BEFORE DELETE ON gate_rules BEGIN SELECT RAISE(ABORT, 'gate_rules is append-only: delete refused'); END;
CREATE TRIGGER case_images_no_update BEFORE UPDATE ON case_images BEGIN SELECT RAISE(ABORT, 'case_images is append-only: update refused'); END;
CREATE TRIGGER case_images_no_delete BEFORE DELETE ON case_images BEGIN SELECT RAISE(ABORT, 'case_images is append-only: delete refused'); END;
CREATE TRIGGER files_no_update BEFORE UPDATE ON files BEGIN SELECT RAISE(ABORT, 'files is append-only: update refused'); END;
CREATE TRIGGER files_no_delete BEFORE DELETE ON files BEGIN SELECT RAISE(ABORT, 'files is append-only: delete refused'); END;
CREATE TRIGGER workspace_identity_no_update BEFORE UPDATE ON workspace_identity BEGIN SELECT RAISE(ABORT, 'workspace_identity is append-only: update refused'); END;
CREATE TRIGGER workspace_identity_no_delete BEFORE DELETE ON workspace_identity BEGIN SELECT RAISE(ABORT, 'workspace_identity is append-only: delete refused'); END;
CREATE TRIGGER tasks_no_delete BEFORE DELETE ON tasks BEGIN SELECT RAISE(ABORT, 'tasks are never deleted'); END;
CREATE TRIGGER cases_no_delete BEFORE DELETE ON cases BEGIN SELECT RAISE(ABORT, 'cases are never deleted'); END;
CREATE TRIGGER cases_frozen BEFORE UPDATE ON cases WHEN OLD.membership IS NOT NULL OR OLD.subject <> NEW.subject OR OLD.images_key <> NEW.images_key BEGIN SELECT RAISE(ABORT, 'subject, images and membership of a case never change'); END;
COMMIT;
