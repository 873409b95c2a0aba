"""`callback-service init` says where it looked for the database."""


def test_a_database_that_is_away_is_named_without_its_password(cli):
    uri = "mongodb://me:secret@127.0.0.1:1/?serverSelectionTimeoutMS=100"
    result = cli("init", env={"MONGO_URI": uri, "CALLBACK_CONFIG": ""})
    assert result.exit_code == 3
    assert result.stderr.startswith("Error: The database at 127.0.0.1:1 cannot be used (")
    assert "MONGO_URI, or db.host in the configuration, says where it is." in result.stderr
    assert "secret" not in result.stderr


def test_a_variable_names_the_host_too(cli):
    env = {"MONGO_URI": "", "MONGO_HOST": "127.0.0.1", "MONGO_PORT": "1", "CALLBACK_CONFIG": ""}
    assert "at 127.0.0.1:1 cannot" in cli("init", env=env).stderr


def test_a_default_server_that_cannot_be_one_is_said_before_the_database_is_asked(cli):
    env = {"MONGO_URI": "mongodb://127.0.0.1:1/", "CALLBACK_CONFIG": ""}
    result = cli("init", "--tes", "funnel", env=env)
    assert result.exit_code == 2
    assert "--tes: must be an absolute http or https URL." in result.stderr
