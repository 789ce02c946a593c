def test_x():
    import mozoo; print(mozoo, mozoo.__path__); assert 0
