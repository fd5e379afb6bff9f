-- SPDX-License-Identifier: Apache-2.0
-- Certificates: a device may have one instead of a key, and a product the CAs that sign those of
-- its devices (PEM). How many there are and what their text is stands in the product's own row.
ALTER TABLE product ADD COLUMN ca_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE product ADD COLUMN ca_sha256 BLOB NOT NULL
	DEFAULT x'0000000000000000000000000000000000000000000000000000000000000000';
CREATE TABLE product_ca (
	product INTEGER PRIMARY KEY REFERENCES product (id) ON DELETE CASCADE,
	pem TEXT NOT NULL
) STRICT;
ALTER TABLE device ADD COLUMN certified INTEGER NOT NULL DEFAULT 0;
